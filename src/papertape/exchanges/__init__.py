"""BaseExchange, and the exchanges that keep its promises."""
