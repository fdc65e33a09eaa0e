"""The host: RAM, CPU, cgroup, operating system."""
