"""Bots: strategies that trade on paper, and everything that keeps them honest."""
