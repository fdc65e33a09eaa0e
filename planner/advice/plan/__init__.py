"""One model on one machine: engine, quantisation, placement."""
