"""What numbers of experiments say: intervals, paired comparisons over seeds, multiplicity."""
