"""Algorithms that train an agent, a module each, with its settings beside it."""
