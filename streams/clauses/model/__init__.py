"""What all sections share: measure and verdict, segments, exclusions, states, burn rates."""
