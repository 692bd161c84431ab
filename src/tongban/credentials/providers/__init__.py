"""Who holds what: the registers of issuing bodies behind this node (发证机关登记库)."""

from tongban.credentials.providers.registers import DemoRegister, Entry, LicenceRegister, register, use_register

__all__ = ["DemoRegister", "Entry", "LicenceRegister", "register", "use_register"]
