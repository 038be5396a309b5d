"""One file a task: the bounded vector a device computes, and what the noisy sum of all becomes."""
