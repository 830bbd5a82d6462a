"""What the money does besides devices: training sessions."""
