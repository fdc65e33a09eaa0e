"""Compute buffers that were built beforehand."""
