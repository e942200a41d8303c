//! The row codec beside `arrow-row`, in the same run over the same columns.
//!
//! Three shapes: one bigint (a key), one short text (the other usual key), and a table row of six columns with some NULLs.
//! Three sizes: 1 row (a point write), 75 (a small group of commits), 10,000 (a bulk load). Encoding writes into an
//! arena that is reused, decoding builds new arrays. `arrow-row` keeps no stable bytes, so it could not take the codec's
//! place; it shows what the hardware allows. `prefix_len` has no counterpart there.
#![expect(clippy::expect_used, reason = "a benchmark that cannot run has nothing to measure")]

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray};
use arrow_row::{RowConverter, SortField};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use monostable_types::{DataType, RowCodec, Rows};

const ROW_COUNTS: [usize; 3] = [1, 75, 10_000];

/// Columns of one shape, and the types they have.
struct Table {
    name: &'static str,
    types: Vec<DataType>,
    columns: fn(usize) -> Vec<ArrayRef>,
}

fn tables() -> [Table; 3] {
    let amount = DataType::Numeric { precision: 18, scale: 2 };
    let wide = vec![DataType::BigInt, DataType::Text, amount, DataType::Double, DataType::TimestampTz, DataType::Text];
    [
        Table { name: "bigint", types: vec![DataType::BigInt], columns: |rows| vec![ids(rows)] },
        Table { name: "text", types: vec![DataType::Text], columns: |rows| vec![names(rows)] },
        Table { name: "six columns", types: wide, columns: six_columns },
    ]
}

/// Numbers that look random and are the same in every run.
fn scattered(row: usize) -> i64 {
    (row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) as i64
}

fn ids(rows: usize) -> ArrayRef {
    Arc::new((0..rows).map(scattered).collect::<Int64Array>())
}

fn names(rows: usize) -> ArrayRef {
    Arc::new((0..rows).map(|row| Some(format!("customer {}", scattered(row) % 100_000))).collect::<StringArray>())
}

fn six_columns(rows: usize) -> Vec<ArrayRef> {
    let unless_tenth = |row: usize| row % 10 != 9;
    let amounts = (0..rows).map(|row| unless_tenth(row).then_some(i128::from(scattered(row) % 1_000_000)));
    let amounts = amounts.collect::<Decimal128Array>().with_precision_and_scale(18, 2).expect("amounts are small");
    let rates = (0..rows).map(|row| Some(scattered(row) as f64 / 7.0)).collect::<Float64Array>();
    let times = (0..rows).map(|row| Some(1_357_016_400_000_000 + row as i64)).collect::<TimestampMicrosecondArray>();
    let notes = (0..rows).map(|row| unless_tenth(row).then_some("left at the door")).collect::<StringArray>();
    let zoned = Arc::new(times.with_timezone("+00:00"));
    vec![ids(rows), names(rows), Arc::new(amounts), Arc::new(rates), zoned, Arc::new(notes)]
}

fn converter(types: &[DataType]) -> RowConverter {
    let fields = types.iter().map(|data_type| SortField::new(data_type.to_arrow())).collect();
    RowConverter::new(fields).expect("arrow-row knows the types")
}

fn encode(criterion: &mut Criterion) {
    for table in tables() {
        let mut group = criterion.benchmark_group(format!("encode {}", table.name));
        let (codec, converter) = (RowCodec::new(&table.types), converter(&table.types));
        for row_count in ROW_COUNTS {
            let columns = (table.columns)(row_count);
            group.throughput(Throughput::Elements(row_count as u64));
            group.bench_function(BenchmarkId::new("codec", row_count), |bencher| {
                let mut rows = Rows::new();
                bencher.iter(|| {
                    rows.clear();
                    codec.encode_columns(black_box(&columns), &mut rows).expect("the columns fit");
                    black_box(rows.byte_len())
                });
            });
            group.bench_function(BenchmarkId::new("arrow-row", row_count), |bencher| {
                let mut rows = converter.empty_rows(row_count, 0);
                bencher.iter(|| {
                    rows.clear();
                    converter.append(&mut rows, black_box(&columns)).expect("the columns fit");
                    black_box(rows.num_rows())
                });
            });
        }
        group.finish();
    }
}

fn decode(criterion: &mut Criterion) {
    for table in tables() {
        let mut group = criterion.benchmark_group(format!("decode {}", table.name));
        let (codec, converter) = (RowCodec::new(&table.types), converter(&table.types));
        for row_count in ROW_COUNTS {
            let columns = (table.columns)(row_count);
            let mut rows = Rows::new();
            codec.encode_columns(&columns, &mut rows).expect("the columns fit");
            let theirs = converter.convert_columns(&columns).expect("the columns fit");
            group.throughput(Throughput::Elements(row_count as u64));
            group.bench_function(BenchmarkId::new("codec", row_count), |bencher| {
                bencher.iter(|| codec.decode_columns(black_box(&rows).iter()).expect("the rows are whole"));
            });
            group.bench_function(BenchmarkId::new("arrow-row", row_count), |bencher| {
                bencher.iter(|| converter.convert_rows(black_box(&theirs)).expect("the rows are whole"));
            });
        }
        group.finish();
    }
}

fn prefix_len(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("prefix_len six columns");
    let [.., table] = tables();
    let codec = RowCodec::new(&table.types);
    let mut rows = Rows::new();
    codec.encode_columns(&(table.columns)(10_000), &mut rows).expect("the columns fit");
    group.throughput(Throughput::Elements(rows.len() as u64));
    for columns in [1, 2, 6] {
        group.bench_function(BenchmarkId::new("columns", columns), |bencher| {
            let total = || rows.iter().map(|row| codec.prefix_len(black_box(row), columns).expect("a whole row")).sum();
            bencher.iter(|| -> usize { total() });
        });
    }
    group.bench_function("boundaries", |bencher| {
        bencher.iter_batched_ref(
            Vec::new,
            |boundaries| rows.iter().for_each(|row| codec.boundaries(row, boundaries).expect("a whole row")),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    encode(&mut criterion);
    decode(&mut criterion);
    prefix_len(&mut criterion);
    criterion.final_summary();
}
