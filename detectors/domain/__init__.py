"""What PetForce is: its rows as plain values, who belongs to a household and who leads it, and what is one operation."""
