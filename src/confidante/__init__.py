"""Confidante: a recommender that learns from people without collecting anything about them."""
