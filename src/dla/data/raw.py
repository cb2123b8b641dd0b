"""Names of files in the folders of sources that the stages after them look for."""

TEXT = "text.txt"  # the one file of a text
ABSENT = "absent"  # the one file of a model that no dependency carries: what would use it goes without
