"""What the watermark survives, what it changes and costs, and how often it is seen where there is none."""
