"""Builders: a log with so many leaves in its tree, and a head over them."""

from tongban import transparency


async def leaves(tx, count, *, kind="cases.decided", start=0):
    """`count` leaves over invented facts, with places in the tree."""
    made = [await transparency.append(tx, kind, b"fact %d" % (start + number)) for number in range(count)]
    while await transparency.sequence(tx):
        pass
    return made


async def signed(tx, node, count, *, start=0):
    """A head over `count` more leaves."""
    await leaves(tx, count, start=start)
    return await transparency.sign_head(tx, node)
