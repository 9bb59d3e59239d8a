"""What the Newgate gate has to be told."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr


class NewgateSettings(BaseModel):
    """account: our own id there. webhook_secret: signs what they send us."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    account: str = Field(min_length=1)
    token: SecretStr = Field(min_length=1)
    webhook_secret: SecretStr = Field(min_length=1)
    api_base: str = "https://api.newgate.example"
