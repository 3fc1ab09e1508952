"""Records -> figures: pure, so that old rows can be measured again."""
