//! Files in volumes, and statements over them.

use std::sync::Arc;

use parquet::basic::Compression;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, Int32Type, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::{Caller, DatabricksSandbox, class, started, workspace};
use crate::databricks::Settings;

const SCHEMA: &str = "message spark_schema {
    required binary id (UTF8);
    optional int64 amount (DECIMAL(18,2));
    optional int32 day (DATE);
    optional int64 at (TIMESTAMP(MICROS,true));
    optional boolean paid;
}";

/// Three rows: whole, mostly empty, and with negative money.
fn invoices(ids: [&str; 3]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(SCHEMA).unwrap());
    let compression = Compression::ZSTD(Default::default());
    let properties = Arc::new(WriterProperties::builder().set_compression(compression).build());
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let ids = ids.map(ByteArray::from);
    let levels = [1, 0, 1];
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&ids, None, None).unwrap();
    column.close().unwrap();
    for values in [[12_345_i64, -1], [0, 0], [1_700_000_000_000_000, 1]].iter().enumerate() {
        let mut column = group.next_column().unwrap().unwrap();
        match values {
            (1, _) => column.typed::<Int32Type>().write_batch(&[20_000, 1], Some(&levels), None).unwrap(),
            (_, values) => column.typed::<Int64Type>().write_batch(values, Some(&levels), None).unwrap(),
        };
        column.close().unwrap();
    }
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<BoolType>().write_batch(&[true, false], Some(&levels), None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.into_inner().unwrap()
}

fn read(sandbox: &DatabricksSandbox, query: &str) -> Vec<String> {
    let rows = sandbox.sql(query).unwrap_or_else(|error| panic!("{query}: {error}"));
    rows.texts().iter().map(|row| row.join(",")).collect()
}

#[tokio::test]
async fn parquet_files_are_rows_with_their_own_types() {
    let sandbox = workspace().await;
    let folder = "/Volumes/main/erp/landing/inv/r 1";
    assert!(sandbox.put_file(&format!("{folder}/000001-0.parquet"), invoices(["a", "b", "c"])));
    assert!(sandbox.put_file(&format!("{folder}/_started"), "no data"));
    assert_eq!(
        read(
            &sandbox,
            &format!(
                "SELECT * FROM read_files('{folder}', format => 'parquet', schemaEvolutionMode => 'none') ORDER BY id"
            )
        ),
        [
            "a,123.45,2024-10-04,2023-11-14T22:13:20.000Z,true",
            "b,null,null,null,null",
            "c,-0.01,1970-01-02,1970-01-01T00:00:00.000001Z,false"
        ]
    );
    let inferred = sandbox.sql(&format!("SELECT * FROM read_files('{folder}/*.parquet')")).unwrap();
    assert_eq!(inferred.types, ["STRING", "DECIMAL(18,2)", "DATE", "TIMESTAMP", "BOOLEAN", "STRING"]);
    assert_eq!(inferred.names.last().unwrap(), "_rescued_data");
    let explicit = format!(
        "FROM read_files('{folder}/', format => 'parquet', schema => 'id STRING, amount DECIMAL(20,2), more INT')"
    );
    assert_eq!(read(&sandbox, &format!("SELECT * {explicit} WHERE amount > 1")), ["a,123.45,null"]);
    assert_eq!(
        read(&sandbox, &format!("SELECT DISTINCT _metadata.file_path, _metadata.file_name {explicit}")),
        ["dbfs:/Volumes/main/erp/landing/inv/r%201/000001-0.parquet,000001-0.parquet"]
    );
    let other = format!("SELECT * FROM read_files('{folder}', schema => 'id STRING, amount DECIMAL(18,3)')");
    assert_eq!(class(&sandbox, &other), "FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH");
    let rescued = format!(
        "SELECT id, amount, _rescued FROM read_files('{folder}', schema => 'id STRING, amount BIGINT', rescuedDataColumn => '_rescued')"
    );
    assert!(
        read(&sandbox, &rescued)[0].starts_with("a,null,{\"_file_path\":\"dbfs:"),
        "{:?}",
        read(&sandbox, &rescued)
    );
}

#[tokio::test]
async fn a_path_has_to_lead_to_files() {
    let sandbox = workspace().await;
    let wrong = [
        ("/Volumes/main/erp/landing/none", "PATH_NOT_FOUND"),
        ("/Volumes/main/erp/landing", "PATH_NOT_FOUND"),
        ("/Volumes/main/erp/nope/x", "UC_VOLUME_NOT_FOUND"),
        ("/Volumes/main/nope/landing/x", "SCHEMA_NOT_FOUND"),
        ("/mnt/x", "PATH_NOT_FOUND"),
    ];
    for (path, wanted) in wrong {
        assert_eq!(
            class(&sandbox, &format!("SELECT * FROM read_files('{path}', format => 'parquet')")),
            wanted,
            "{path}"
        );
    }
    sandbox.put_file("/Volumes/main/erp/landing/x.parquet", "no parquet");
    assert_eq!(
        class(&sandbox, "SELECT * FROM read_files('/Volumes/main/erp/landing')"),
        "FAILED_READ_FILE.CANNOT_READ_FILE_FOOTER"
    );
    assert_eq!(
        class(&sandbox, "SELECT * FROM read_files('/Volumes/main/erp/landing', colour => 'red')"),
        "CF_UNKNOWN_OPTION_KEYS_ERROR"
    );
    assert_eq!(class(&sandbox, "SELECT * FROM read_files(concat('/Volumes', '/x'))"), "NON_FOLDABLE_ARGUMENT");
}

#[tokio::test]
async fn json_lines_are_read_with_a_schema() {
    let sandbox = workspace().await;
    let lines = "{\"id\": 1, \"amt\": \"1.5\", \"tags\": [\"a\"]}\n{\"id\": \"x\", \"amt\": 2.25, \"more\": true}\n";
    sandbox.put_file("/Volumes/main/erp/landing/j/1.json", lines);
    let query = "SELECT id, amt, tags[0], _rescued_data FROM read_files('/Volumes/main/erp/landing/j', format => 'json', \
        schema => 'id INT, amt DECIMAL(10,2), tags ARRAY<STRING>', rescuedDataColumn => '_rescued_data')";
    assert_eq!(
        read(&sandbox, query),
        [
            "1,1.50,a,null",
            "null,2.25,null,{\"_file_path\":\"dbfs:/Volumes/main/erp/landing/j/1.json\",\"id\":\"x\",\"more\":true}"
        ]
    );
}

#[tokio::test]
async fn copy_into_loads_each_file_once() {
    let sandbox = workspace().await;
    sandbox.sql("CREATE TABLE main.erp.raw (id STRING, amount DECIMAL(18,2))").unwrap();
    let folder = "/Volumes/main/erp/landing/raw";
    sandbox.put_file(&format!("{folder}/1.parquet"), invoices(["a", "b", "c"]));
    let copy = format!("COPY INTO main.erp.raw FROM '{folder}' FILEFORMAT = PARQUET");
    assert_eq!(class(&sandbox, &copy), "COPY_INTO_SCHEMA_MISMATCH_WITH_TARGET_TABLE");
    let copy = format!("{copy} FORMAT_OPTIONS ('mergeSchema' = 'true') COPY_OPTIONS ('mergeSchema' = 'true')");
    assert_eq!(read(&sandbox, &copy), ["3,3,0"]);
    sandbox.put_file(&format!("{folder}/1.parquet"), invoices(["x", "y", "z"]));
    assert_eq!(read(&sandbox, &copy), ["0,0,0"], "a name that was loaded is not loaded again, whatever it holds");
    sandbox.put_file(&format!("{folder}/2.parquet"), invoices(["d", "e", "f"]));
    assert_eq!(read(&sandbox, &copy), ["3,3,0"]);
    assert_eq!(read(&sandbox, "SELECT count(*), max(paid) FROM main.erp.raw"), ["6,true"]);
}

#[tokio::test]
async fn files_are_put_read_listed_and_deleted() {
    let settings = Settings { page: 2, largest_file: 10, ..Settings::default() };
    let sandbox = started(DatabricksSandbox::builder().settings(settings)).await;
    let caller = Caller::new(&sandbox);
    let file = "/api/2.0/fs/files/Volumes/main/erp/landing/a%20b/1.txt";
    let put = |path: &str, content: &[u8]| caller.call("PUT", path, content).unwrap();
    assert_eq!((put(file, b"one").status, put(file, b"two").refused()), (204, (409, "ALREADY_EXISTS".into())));
    assert_eq!(put(&format!("{file}?overwrite=true"), b"two").status, 204);
    assert_eq!(caller.get(file).body, b"two");
    let head = caller.call("HEAD", file, b"").unwrap();
    assert!(
        head.head.contains("content-length: 3") && head.head.contains("last-modified: ") && head.body.is_empty(),
        "{head:?}"
    );
    assert_eq!(put("/api/2.0/fs/files/Volumes/main/erp/landing/b", b"12345678901").status, 413);
    assert_eq!(put("/api/2.0/fs/files/Volumes/main/erp/nope/b", b"1").refused(), (404, "NOT_FOUND".into()));
    assert_eq!(put("/api/2.0/fs/files/mnt/b", b"1").refused(), (400, "INVALID_PARAMETER_VALUE".into()));
    assert_eq!(sandbox.file("/Volumes/main/erp/landing/a b/1.txt").unwrap(), "two");

    for name in ["x", "y", "z"] {
        put(&format!("/api/2.0/fs/files/Volumes/main/erp/landing/d/{name}"), b"1");
    }
    let directory = "/api/2.0/fs/directories/Volumes/main/erp/landing/d";
    let first = caller.get(directory).ok();
    assert_eq!(first["contents"].as_array().unwrap().len(), 2);
    let rest = caller.get(&format!("{directory}?page_token={}", first["next_page_token"].as_str().unwrap())).ok();
    assert_eq!((&rest["contents"][0]["name"], rest.get("next_page_token")), (&json!("z"), None));
    assert_eq!(caller.call("DELETE", directory, b"").unwrap().status, 400, "it is not empty");
    assert_eq!(caller.get("/api/2.0/fs/directories/Volumes/main/erp/landing/none").status, 404);
    assert_eq!(caller.call("DELETE", file, b"").unwrap().status, 204);
    assert_eq!(caller.call("DELETE", file, b"").unwrap().status, 404);
    assert_eq!(sandbox.files("/Volumes/main/erp/landing").len(), 3);
}
