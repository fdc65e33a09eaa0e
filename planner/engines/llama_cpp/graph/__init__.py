"""The compute graph that llama.cpp reserves its buffers for, by architecture."""
