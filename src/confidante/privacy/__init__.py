"""What is promised: plans, mechanisms, accounting, clipping."""
