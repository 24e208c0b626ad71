"""What can be looked at: views, cards, figures, pages. No torch."""
