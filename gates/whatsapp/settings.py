"""What the WhatsApp gate has to be told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr

from gates.http import MEDIA_HOSTS


class WhatsAppSettings(BaseModel):
    """phone_number_id: the sender in Graph's addresses, not the number itself. business_account_id: the WABA."""

    model_config = ConfigDict(frozen=True)

    phone_number_id: str = Field(min_length=1)
    access_token: SecretStr = Field(min_length=1)
    business_account_id: str | None = None
    app_secret: SecretStr = Field(min_length=1)
    verify_token: SecretStr = Field(min_length=1)
    graph_api_base: str = "https://graph.facebook.com"
    graph_api_version: str = "v25.0"
    media_hosts: tuple[str, ...] = MEDIA_HOSTS
