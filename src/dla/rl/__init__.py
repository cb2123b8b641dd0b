"""Reinforcement learning: environments, agents, and how they are judged."""
