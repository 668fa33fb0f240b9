"""Code with the cursor at its end, and something that must be offered there (empty: nothing may be).

Runs in: tests.
"""

from __future__ import annotations

SETUPS = {
    "standard library": """
import collections, dataclasses, datetime, enum, fractions, functools, itertools, json, logging, math, os, pathlib, re
import socket, sys, threading, types, decimal, string, subprocess
table = {"name": "n", "nation": {"inner": 1}, 5: "five", ("a", "b"): 1, b"bytes": 2, "it's": 3}
rows = [{"key": 1}, "text", 3.5]
words = ("one", "two")
text, number, ratio, flags, nothing, blob = "abc", 7, 2.5, {1, 2}, None, b"xyz"
path = pathlib.Path("/tmp")
when = datetime.datetime(2020, 1, 1)
counter = collections.Counter("hello")
ordered = collections.OrderedDict(first=1, second=2)
grouped = collections.defaultdict(list, {"alpha": [1]})
queue = collections.deque([1])
space = types.SimpleNamespace(inside=1, other="x")
pattern = re.compile("a")
error = ValueError("x")
lock = threading.Lock()
half = functools.partial(int, base=2)
@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
    def moved(self, dx: int, *, dy: int = 0) -> "Point":
        return self
    @property
    def length(self) -> float:
        return 1.0
    @classmethod
    def origin(cls, scale=1):
        return cls(0)
    @staticmethod
    def helper(option=None):
        pass
class Colour(enum.Enum):
    RED = 1
    GREEN = 2
point = Point(1)
colour = Colour.RED
Pair = collections.namedtuple("Pair", "left right")
pair = Pair(1, 2)
def area(width, height=1, *, scale=1):
    return width * height
def outer():
    def inner(): pass
    return inner
""",
    "numpy": """
import numpy as np
array = np.zeros((3, 4))
vector = np.arange(5)
record = np.zeros(2, dtype=[("mass", float), ("speed", float)])
generator = np.random.default_rng(0)
scalar = np.float64(1.5)
""",
    "pandas": """
import numpy as np
import pandas as pd
frame = pd.DataFrame({"column_a": [1, 2], "column b": ["x", "y"], "when": pd.to_datetime(["2020-01-01", "2021-01-01"])})
frame.index = ["first", "second"]
series = frame["column_a"]
labels = frame["column b"]
wide = pd.DataFrame(np.zeros((2, 3)))
grouped = frame.groupby("column_a")
""",
}

STANDARD = """
tab|table
ta|table
Poi|Point
are|area
prin|print
PRIN|print
len|len
isinst|isinstance
ValueE|ValueError
whil|while
impor|import
Non|None
x = num|number
print(num|number
[num|number
{num|number
not num|number
number + rat|ratio
number if num|number
for w in wor|words
lambda: num|number
return num|number
@func|functools
os.pa|path
os.path.jo|join
os.path.exi|exists
os.envi|environ
os.getc|getcwd
os.O_RD|O_RDONLY
sys.vers|version
sys.std|stdout
sys.path.app|append
math.sq|sqrt
math.pi.is_i|is_integer
json.du|dumps
json.decoder.JSOND|JSONDecoder
re.comp|compile
re.IGNORE|IGNORECASE
pattern.fin|findall
string.ascii_l|ascii_lowercase
string.ascii_lowercase.up|upper
text.up|upper
text.startsw|startswith
"abc".up|upper
"abc".joi|join
b"abc".hex|hex
blob.dec|decode
[].app|append
[1, 2].app|append
{}.it|items
{1: 2}.key|keys
{1, 2}.ad|add
().cou|count
(1, 2).ind|index
(number).bit|bit_length
1.5.is_i|is_integer
number.bit|bit_length
number.rea|real
ratio.is_i|is_integer
nothing.__do|__doc__
flags.uni|union
rows.app|append
rows[0].it|items
rows[1].up|upper
rows[2].is_i|is_integer
rows[-1].is_i|is_integer
rows[0:1].app|append
words[0].up|upper
words.cou|count
table.it|items
table["na|name
table['na|name
table["nation"]["in|inner
table["nation"].it|items
table[5].up|upper
table[b"by|bytes
table["it|it's
table[|'name'
table.get("na|name
rows[0]["ke|key
rows[|0
ordered["fi|first
ordered.move|move_to_end
grouped["al|alpha
grouped["alpha"].app|append
counter["h|h
counter.most|most_common
queue.appendl|appendleft
os.environ["PAT|PATH
space.ins|inside
space.other.up|upper
path.paren|parent
path.read_t|read_text
path.parent.|
pathlib.Path("x").read_t|read_text
pathlib.Pa|Path
when.isof|isoformat
datetime.datetime.now().|
datetime.timed|timedelta
datetime.timedelta(da|
decimal.Deci|Decimal
fractions.Frac|Fraction
itertools.cha|chain
itertools.chain.from|from_iterable
collections.Order|OrderedDict
collections.abc.Mapp|Mapping
functools.red|reduce
half.fu|func
error.arg|args
error.with|with_traceback
lock.acq|acquire
threading.Thr|Thread
threading.Thread(targ|target=
logging.getL|getLogger
socket.AF_I|AF_INET
subprocess.run([], cap|
point.mo|moved
point.le|length
point.length.is_i|is_integer
point.x.bit|bit_length
point.orig|origin
point.help|helper
point.moved(1).mo|moved
point.moved(d|dx=
point.moved(1, dy|dy=
Point.orig|origin
Point.orig|origin
Point(|x=
Point(1, y|y=
Point(1).mo|moved
Point.origin(sc|scale=
Point.helper(op|option=
point.helper(op|option=
point.__cl|__class__
point._|__class__
colour.na|name
Colour.RE|RED
Colour.RED.na|name
pair.le|left
pair[0].bit|bit_length
Pair(le|
area(wid|width=
area(1, hei|height=
area(width=1, hei|height=
area(1, sc|scale=
area(1, 2, sc|scale=
print("x", se|sep=
print(en|end=
sorted(rows, ke|key=
sorted(rows, key=le|len
open("x", enc|encoding=
int("5", ba|
json.dumps({}, ind|indent=
area.__na|__name__
outer().__na|
outer.__cod|__code__
text.upper().|
text.split().|
str.joi|join
int.from_b|from_bytes
dict.fromk|fromkeys
type.mr|mro
object.__ini|__init__
import o|os
import os.pa|path
import xml.et|etree
import xml.etree.Elem|ElementTree
import json, o|os
import json.dec|decoder
import concurrent.fut|futures
import email.mime.te|text
import nosuchmodule.|
from o|os
from os imp|import
from os import pa|path
from os import path, get|getcwd
from os.path import jo|join
from xml import et|etree
from xml.etree import El|ElementTree
from json import du|dumps
from collections import (Order|OrderedDict
from collections.abc import Map|Mapping
from http.cookies import Simp|SimpleCookie
open("/et|etc/
open("/etc/host|hosts
f"{text.up|upper
f"{num|number
f'{table["na|
"no com|
# text.up|
x = 5; text.up|upper
if number: text.up|upper
def f(alpha):\\n    alp|alpha
def f(text):\\n    text.up|
total = 1\\nprint(tot|total
for item in rows:\\n    ite|item
with open("x") as fil:\\n    fi|fil
import os.path as place\\npla|place
x = (text\\n  .up|upper
area(\\n  1,\\n  hei|height=
unknown.|
unknown.a.b|
unknown["a|
5.|
...|
"""

NUMPY = """
np.arr|array
np.linalg.no|norm
np.random.default|default_rng
np.float6|float64
np.fft.ff|
np.zer|zeros
np.zeros((3, 4), dt|
np.arange(|
np.linalg.norm(ax|axis=
np.sum(array, ax|axis=
np.sum(array, axis=0, keep|keepdims=
array.resh|reshape
array.sha|shape
array.T.resh|reshape
array.shape.cou|count
array.dtype.na|name
array.dtype.nam|names
array.flat.bas|base
array[0].resh|reshape
array[1:].resh|reshape
array.mean().|
array.reshape(3, 4).|
vector.cums|cumsum
vector.size.bit|bit_length
record["ma|mass
record["mass"].me|mean
record.dtype.fie|fields
generator.norm|normal
generator.bit_gen|bit_generator
scalar.is_i|is_integer
np.nan|nan
np.ndarr|ndarray
np.ndarray.resh|reshape
np.vectorize(pyf|pyfunc=
import numpy.lin|linalg
from numpy import lin|linspace
from numpy.linalg import no|norm
np.polynomial.Poly|
np.testing.assert_arr|
np.ufunc.red|reduce
np.add.red|reduce
"""

PANDAS = """
pd.Data|DataFrame
pd.read_c|read_csv
pd.read_csv(se|sep=
pd.read_csv("x", ind|index_col=
pd.to_dat|to_datetime
pd.DataFrame(col|columns=
pd.api.typ|types
pd.options.dis|
frame["co|column_a
frame['co|column_a
frame[["column_a", "co|column b
frame.co|column_a
frame.colum|columns
frame.column_a.me|mean
frame["column_a"].me|mean
frame["column b"].str.up|upper
frame.when.dt.ye|year
frame.loc["fi|first
frame.loc[:, "co|column_a
frame.loc["first", "co|column_a
frame.iloc[0].|
frame.head().|
frame.groupb|groupby
frame.groupby("co|
frame.groupby("column_a").|
frame.merge(ri|right=
frame.sort_values(by|by=
frame.plot.ba|
frame.T.he|head
frame.index.to_l|to_list
frame.columns.to_l|to_list
frame.dtypes.value_c|value_counts
frame[0:1].he|head
frame[frame.co|column_a
frame[frame["co|column_a
frame.assign(ne|
frame.query("co|
frame.value|values
frame.values.resh|
frame._mg|_mgr
series.me|mean
series.value_c|value_counts
series["fi|first
series.loc["fi|first
series.str.|
labels.str.len|len
labels.str.conta|contains
labels.str.contains("x", ca|case=
wide[|0
wide.he|head
grouped.me|mean
grouped.ag|agg
import pandas.te|testing
from pandas import Ser|Series
from pandas.api.types import is_num|is_numeric_dtype
"""


def cases(part: str) -> list[tuple[str, str]]:
    """Code and what must be among the completions of it."""
    lines = {"standard library": STANDARD, "numpy": NUMPY, "pandas": PANDAS}[part].strip().splitlines()
    pairs = [line.rpartition("|") for line in dict.fromkeys(lines)]
    return [(code.replace("\\n", "\n"), expected) for code, _, expected in pairs]
