"""Kinds of data sets: each says what it needs to know, and makes one file of a source."""
