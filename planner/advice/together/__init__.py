"""Several models on one machine: what each takes of it, what stays loaded, what takes turns."""
