"""Damage files the way disks, transfers and people do, from a seed."""
import copy
import random
from typing import Any

# what people and programs put where a number, a name or a list belongs
STRANGERS: list[Any] = [
    None, True, -1, 0, 0.5, 2**70,
    float('inf'),
    float('nan'), '', 'text', [], [[]], {}, [1, 2],
    dict(id=1)
]


def mutate_bytes(content: bytes, random: random.Random) -> bytes:
    """A few bits, bytes or slices changed, or the end cut off."""
    data = bytearray(content)
    for _ in range(random.randint(1, 4)):
        place = random.randrange(len(data) + 1)
        length = min(random.choice([1, 2, 8, 100]), len(data) - place)
        what = random.choice(['flip', 'set', 'delete', 'repeat', 'insert'])
        if what == 'flip' and place < len(data):
            data[place] ^= 1 << random.randrange(8)
        elif what == 'set':
            data[place:place + length] = random.randbytes(length)
        elif what == 'delete':
            del data[place:place + length]
        elif what == 'repeat':
            data[place:place] = data[place:place + length]
        elif what == 'insert':
            data[place:place] = random.randbytes(random.randint(1, 20))
    if random.random() < 0.2:
        del data[random.randrange(len(data) + 1):]
    return bytes(data)


def mutate_json(content: Any, random: random.Random) -> Any:
    """One value replaced, left out or doubled somewhere in a JSON value."""
    content = copy.deepcopy(content)
    node = content
    while True:
        keys = list(node) if isinstance(node, dict) else range(len(node))
        key = random.choice([*keys])
        inner = node[key]
        if not isinstance(inner,
                          (dict, list)) or not inner or (random.random()
                                                         < 0.15):
            break
        node = inner
    what = random.choice(['replace', 'replace', 'drop', 'double'])
    if what == 'drop':
        del node[key]
    elif what == 'double' and isinstance(node, list):
        node.append(copy.deepcopy(inner))
    else:
        node[key] = random.choice(STRANGERS)
    return content
