"""Writes a long `.flow` file of the kind that people write, for the time of `flowc check`.

A department of the invented company is a block of about a hundred lines: types, resources with
their bindings, a node, and flows with `let`, `where`, `map`, `route`, upserts and queries. The file
has no problems. The same number of lines gives the same text.
"""

BLOCK = '''\
# ── Department {n}

## One order line of department {n}.
type Line{n} = {{
  OrderNo:    text
  Article:    text
  Label:      text?
  Quantity:   int
  OrderedAt:  timestamp
  UnitPrice:  decimal(10, 3)
  CustomerID: text?
  Country:    text
}}

type Priced{n} = {{
  OrderNo:    text
  Article:    text
  Quantity:   int
  Total:      decimal(28, 3)
  Customer:   text
  Country:    text
}}

type Part{n}  = {{ Label: text?, Quantity: int, UnitPrice: decimal(10, 3), Country: text }}
type Order{n} = {{ OrderNo: text, [text]: Part{n} }}        # one attribute per article
type Buyer{n} = {{ CustomerID: text, [text]: {{ OrderedAt: timestamp, Country: text }} }}

const least{n} : int = {least}

stream lines{n}    : json<Line{n}>      key .OrderNo
stream priced{n}   : json<Priced{n}>    key .Customer
bucket lake{n}     : text
bucket staging{n}  : ndjson<Line{n}>
bucket bad{n}      : ndjson<Failure>
delivery feed{n}   : ndjson<Line{n}>    into staging{n}
table orders{n}    : Order{n}           key .OrderNo
table buyers{n}    : Buyer{n}           key .CustomerID
table sales{n}     : Line{n}

## Every line of department {n}, decoded.
node read{n}() -> Line{n} {{
  lines{n}.read -> base64.decode -> json.decode -> out
}}

flow ingest{n} : at_least_once {{
  file.read("data/department-{n}.csv")
    -> csv.decode(timestamp: "%Y-%m-%d %H:%M:%S", zone: "UTC") as Line{n}
    -> where .Quantity >= least{n} and .Country != "Unspecified"
    -> lines{n}.write
  errors -> bad{n}.append
}}

flow archive{n} : at_least_once {{
  lines{n}.read
    -> base64.decode
    -> batch(max: 500, size: 4MiB, wait: 60s)
    -> text.join("\\n")
    -> lake{n}.put(key: "{{batch.time:%Y-%m-%d}}/{{batch.id}}.txt")
  errors -> bad{n}.append
}}

flow price{n} : at_least_once {{
  let line = read{n}()

  line
    -> where .CustomerID != null
    -> map {{
         .OrderNo, .Article, .Quantity, .Country
         Total: .UnitPrice * .Quantity
         Customer: upper(trim(.CustomerID))
       }}
    -> priced{n}.write

  line
    -> route {{
         .Quantity < 0 -> count("returns of {n}")
         .UnitPrice > 1000.0 -> log(max: 10)
         else -> count("sales of {n}")
       }}

  errors -> bad{n}.append
}}

flow tables{n} : at_least_once {{
  let line = read{n}()

  line -> orders{n}.upsert {{
    .OrderNo
    [.Article]: {{ .Label, .Quantity, .UnitPrice, .Country }}
  }}

  line
    -> where .CustomerID != null
    -> buyers{n}.upsert {{ .CustomerID, [.OrderNo]: {{ .OrderedAt, .Country }} }}

  done   -> count("processed {n}")
  errors -> bad{n}.append
}}

flow load{n} : at_least_once {{
  read{n}() -> feed{n}.write
  staging{n}.read -> sales{n}.copy
  errors -> bad{n}.append
}}

query revenue{n} on sales{n} as bar(x: .revenue, y: .article) """
  select Label as article, sum(Quantity * UnitPrice) as revenue
  from {{sales{n}}} where Quantity > 0 group by Label order by revenue desc limit 10
"""
'''

BINDINGS = '''\
  lines{n}   = kinesis("lines-{n}", shards: 1)
  priced{n}  = kinesis("priced-{n}", shards: 1)
  lake{n}    = s3("lake-{n}")
  staging{n} = s3("staging-{n}")
  bad{n}     = s3("lake-{n}", prefix: "bad/")
  feed{n}    = firehose("feed-{n}", size: 5MiB, wait: 60s)
  orders{n}  = dynamodb("orders-{n}")
  buyers{n}  = dynamodb("buyers-{n}")
  sales{n}   = redshift("sales_{n}", workgroup: "analytics", database: "dev", role: copy_role)
'''

HEAD = '''\
# A company of many departments, each with its own pipeline. Written by benches/bench/flowfile.py.

param copy_role : text = "arn:aws:iam::123456789012:role/redshift-copy"
'''


def text(lines):
    """A file of about that many lines: the nearest number of whole departments."""
    one = block(1).count("\n") + BINDINGS.count("\n") + 1
    departments = max(1, round((lines - HEAD.count("\n") - 5) / one))
    numbers = range(1, departments + 1)
    bindings = "".join(BINDINGS.format(n=n) for n in numbers)
    profile = f'profile aws {{\n  region = "eu-central-1"\n{bindings}}}\n\n'
    profile += 'profile local = emulate(aws, dir: "out")\n'
    return "\n".join([HEAD, *(block(n) for n in numbers), profile])


def block(n):
    """The declarations of one department."""
    return BLOCK.format(n=n, least=n % 7 - 80)
