"""Makes others.parquet: what pyarrow and the Hub's data sets have that parquet-go does not write itself."""

import pyarrow as pa
import pyarrow.parquet as pq

turn = pa.struct([("from", pa.dictionary(pa.int32(), pa.string())), ("value", pa.large_string()), ("weight", pa.float32())])
schema = pa.schema([("id", pa.int64()), ("conversations", pa.large_list(turn)), ("system", pa.string()), ("image", pa.binary()), ("when", pa.timestamp("us"))])


def row(n, *turns, system=None):
    turns = [{"from": f, "value": v, "weight": w} for f, v, w in turns]
    return {"id": n, "conversations": turns, "system": system, "image": b"\xff\x00", "when": n}


rows = [
    row(1, ("human", "2+2?", None), ("gpt", "4", 1.0)),
    row(2),
    {"id": 3, "conversations": None, "system": None, "image": None, "when": None},
    row(None, ("human", None, None), ("gpt", "", 0.0), system=""),
    row(5, ("human", "é\u2028x", 0.5), ("gpt", "y" * 300, None), ("human", "again", None), ("gpt", "z", None), system="be brief"),
]
table = pa.Table.from_pylist(rows, schema=schema)
pq.write_table(table, "others.parquet", row_group_size=2, compression="brotli", use_compliant_nested_type=False, data_page_version="2.0",
               column_encoding=None, write_page_index=True, store_schema=False)
