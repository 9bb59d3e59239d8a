"""The WhatsApp gate."""
