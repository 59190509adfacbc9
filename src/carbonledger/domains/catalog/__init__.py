"""What is sold and how it is measured: plans and their versions, charges, meters, tax rates."""
