"""Quantisation: how tensors are stored, and which tensor gets which type."""
