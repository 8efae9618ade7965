"""What PetForce is: who belongs to a household, and who leads it."""
