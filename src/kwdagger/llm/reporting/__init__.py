"""Result files and what is printed about them."""
