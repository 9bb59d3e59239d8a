"""The settings, what they switch on, and the place where the program is hosted."""

from __future__ import annotations

import errno
import ipaddress
import socket
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

from bot.config import Config, Findings, Switch
from bot.doctor.findings import Finding, broken, fine, warning

TELEGRAM_PORTS = frozenset({443, 80, 88, 8443})
DRAINING = 10  # seconds that a stop may need


def settings(found: Findings) -> Iterator[Finding]:
    for problem in found.problems:
        yield broken("settings", f"{problem.name} is missing or wrong", f"{problem.name}: {problem.expected}")
    if not found.has_token and found.real:
        yield broken("settings", "TELEGRAM_BOT_TOKEN is missing", "copy the token from @BotFather")
    elif not found.has_token:
        yield warning("settings", "nothing is set: run starts the sandbox", "cp .env.example .env, and fill it in")
    elif not found.problems:
        yield fine("settings", "all are as expected")


def env_file(path: Path) -> Iterator[Finding]:
    """Only what is wrong with the file itself; that it cannot be read is among the problems of the settings."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    if mode & 0o004:
        yield warning("settings.file", f"{path} holds tokens and everybody can read it", f"chmod 600 {path}")


def gates(found: Findings, built: Collection[str]) -> Iterator[Finding]:
    on = [name for name, state in found.gates.items() if state.switch is Switch.ON]
    for name in on:
        if name not in built:
            yield warning(
                f"gate.{name}", "is set, but this version has no such gate", "leave its settings empty until it has"
            )
    working = [name for name in on if name in built]
    off = [name for name, state in found.gates.items() if state.switch is Switch.OFF and name in built]
    half = [f"{name}: incomplete" for name, state in found.gates.items() if state.switch is Switch.INCOMPLETE]
    yield fine("gates", "; ".join([f"on: {', '.join(working) or 'none'}", f"off: {', '.join(off) or 'none'}", *half]))


def public_url(config: Config) -> Finding:
    """Whether those who call us can. A Bot API server on this machine takes any address."""
    url, check = config.public_url, "public_url"
    called = config.whatsapp is not None
    if url is None:
        if called:
            return warning(
                check, "is not set: WhatsApp cannot reach this program", "set PUBLIC_URL to its https address"
            )
        return fine(check, "is not set: Telegram is asked by long polling")
    parts = urlsplit(url)
    own_server = config.telegram is not None and _is_near(urlsplit(config.telegram.api_base).hostname or "")
    if own_server:
        return fine(check, f"{url}, called by a Bot API server on this machine")
    if _is_near(parts.hostname or ""):
        return broken(check, f"{url} is an address that nobody outside can reach", "set it to the public https address")
    if parts.scheme != "https":
        return broken(check, f"{url} is not https, which Telegram and Meta ask for", "put a proxy with TLS in front")
    port = parts.port or 443
    if port not in TELEGRAM_PORTS:
        return broken(check, f"Telegram does not call port {port}", "use 443, 80, 88 or 8443 in PUBLIC_URL")
    if called and port != 443:
        return warning(check, f"Meta is known to call port 443, not {port}", "use 443 in PUBLIC_URL")
    return fine(check, url)


def port(config: Config, *, running: bool) -> Finding:
    """Whether the port is free for a start, or answers where the bot runs."""
    place, check = f"{config.host}:{config.port}", "port"
    near = "127.0.0.1" if config.host in ("0.0.0.0", "::") else config.host  # noqa: S104 - asked about, not bound
    if running:
        try:
            socket.create_connection((near, config.port), timeout=2).close()
        except OSError as error:
            text = f"the bot runs and does not answer on {place}: {error.strerror or type(error).__name__}"
            return broken(check, text, "see that HOST and PORT are those of the running bot; look at its log")
        return fine(check, f"{place} answers")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(config.host, config.port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return broken(check, f"{place} is taken by another program", "stop that one, or set another PORT")
        return broken(check, f"{place} cannot be used: {error.strerror}", "set HOST and PORT to what this machine has")
    return fine(check, f"{place} is free")


def railway(environ: Mapping[str, str], data_dir: Path) -> Iterator[Finding]:
    """Nothing where the program does not run on Railway."""
    if not environ.get("RAILWAY_SERVICE_ID"):
        return
    volume = environ.get("RAILWAY_VOLUME_MOUNT_PATH")
    if not volume:
        yield warning(
            "railway.volume", "there is none: the next deploy loses everything", "add a volume with mount path /data"
        )
    elif not data_dir.absolute().is_relative_to(Path(volume)):
        yield warning(
            "railway.volume",
            f"{data_dir} is not in the volume at {volume}: the next deploy loses everything",
            f"mount the volume at {data_dir}, or set DATA_DIR={volume}",
        )
    else:
        yield fine("railway.volume", volume)
    draining = environ.get("RAILWAY_DEPLOYMENT_DRAINING_SECONDS", "")
    if not draining.isdecimal() or int(draining) < DRAINING:
        yield warning(
            "railway.draining",
            "a deploy kills the program before it has ended by itself",
            "set RAILWAY_DEPLOYMENT_DRAINING_SECONDS=15",
        )


def _is_near(host: str) -> bool:
    """On this machine or in a private network."""
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith((".local", ".internal", ".localhost"))
