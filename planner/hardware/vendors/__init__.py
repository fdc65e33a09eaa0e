"""Detection of accelerators, one module a vendor."""
