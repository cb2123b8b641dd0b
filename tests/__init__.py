from dla.core import pools

pools.limit()  # as in a stage: before a test imports the libraries, whose rounding their threads decide
