"""WhatsApp through Meta's Cloud API. What it can and cannot do: doc.md."""
