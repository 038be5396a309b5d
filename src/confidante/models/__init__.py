"""One file a model: what a device computes, what a sum becomes, how an item is scored and why."""
