"""Where weights and caches lie: tensors to devices, layers to caches."""
