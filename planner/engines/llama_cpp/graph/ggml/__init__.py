"""ggml itself: tensors, the graph allocator, the scheduler; knows no model."""
