//! How many instructions a line costs, counted by valgrind: a number that a busy machine doesn't change, so that what
//! makes every line dearer is noticed however noisy the clock is.
//!
//! Counted is `logshipping-sidecar test` of the released program: a file is split into lines, put together, parsed,
//! transformed and written as JSON lines, by the same code as under `run`. What `run` has besides is counted by no
//! valgrind of Debian 12, which doesn't know the system call that files are opened by (`openat2`); it is done once for
//! each batch, not for each line.
//!
//! The difference of two inputs is taken, so that the start doesn't count.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what a test can't do without fails the test"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use bench::lines::Content;
use bench::template::{self, Places};

/// Records of the shorter and of the longer input.
const RECORDS: [u64; 2] = [2_000, 12_000];
/// How much dearer a line may become before somebody has to say why, in percent. Cheaper is welcome.
const TOLERANCE: u64 = 15;

/// Configuration, what it reads, and instructions for a record of it as of the last time that somebody counted.
const COUNTED: [(&str, Content, u64); 4] = [
    ("raw-http.yaml", Content::Json, 3_422),
    ("json-loki.yaml", Content::Json, 10_759),
    ("regex-http.yaml", Content::Access, 10_446),
    ("java-http.yaml", Content::Traces, 4_414),
];

#[test]
fn a_line_costs_no_more_instructions_than_it_did() {
    let (valgrind, program) = (valgrind(), program());
    let dearer: Vec<String> = COUNTED
        .iter()
        .filter_map(|(configuration, content, before)| {
            let now = instructions_for_a_record(&valgrind, &program, (configuration, *content));
            eprintln!("{configuration}: {now} instructions for a record, {before} before");
            (now * 100 > before * (100 + TOLERANCE)).then(|| {
                format!(
                    "{configuration}: a record takes {now} instructions, {before} the last time that it was counted"
                )
            })
        })
        .collect();
    assert!(
        dearer.is_empty(),
        "{}. More than {TOLERANCE} % dearer: find out what it is (`valgrind --tool=callgrind` on a build with symbols), \
         or, when it is worth it, say so and put the new figures into COUNTED in {}",
        dearer.join("; "),
        file!()
    );
}

fn instructions_for_a_record(valgrind: &Valgrind, program: &Path, (configuration, content): (&str, Content)) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let places = Places {
        folder: folder.path(),
        port: 1,
    };
    let configuration = template::render(&format!("logshipping/{configuration}"), places).unwrap();
    let [short, long] = RECORDS.map(|records| {
        let input = folder.path().join("app.log");
        content.write_file(&input, records).unwrap();
        let mut command = valgrind.run(program);
        command.args(["test", "--config"]).arg(&configuration);
        command.arg("--input").arg(&input);
        collected(&command.output().unwrap())
    });
    (long - short) / (RECORDS[1] - RECORDS[0])
}

/// The machine's own, or one that is unpacked for this.
struct Valgrind {
    program: PathBuf,
    library: Option<PathBuf>,
}

fn valgrind() -> Valgrind {
    let is_there = Command::new("valgrind").arg("--version").output();
    if is_there.is_ok_and(|output| output.status.success()) {
        return Valgrind {
            program: "valgrind".into(),
            library: None,
        };
    }
    let root = cluster::unpacked::packages("valgrind", &["valgrind"]).unwrap();
    Valgrind {
        program: root.join("usr/bin/valgrind.bin"),
        library: Some(root.join("usr/libexec/valgrind")),
    }
}

impl Valgrind {
    fn run(&self, program: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]);
        command.arg(program);
        command.envs(self.library.iter().map(|folder| ("VALGRIND_LIB", folder)));
        command
    }
}

/// What callgrind says at the end.
fn collected(output: &Output) -> u64 {
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}");
    let lines = words.lines();
    let count = lines
        .rev()
        .find_map(|line| line.split("Collected :").nth(1)?.trim().parse().ok());
    count.unwrap_or_else(|| panic!("callgrind doesn't say how many instructions it collected: {words}"))
}

/// Built as for the image, if it isn't there already.
fn program() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .current_dir(&root)
        .args(["run", "--quiet", "--package", "xtask", "--", "images", "sidecar"])
        .status()
        .unwrap();
    assert!(built.success(), "the sidecar's image can't be built");
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let path = root.join(format!("target/{triple}/release/logshipping-sidecar"));
    path.canonicalize().unwrap()
}
