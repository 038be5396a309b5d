"""What can be recommended on this device: items, their vectors, texts and index."""
