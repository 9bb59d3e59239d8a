"""One router a family of acts. A router is built by a function, so that many dispatchers can be made."""
