//! A catalog's keys and digests, kept between runs, so that a plan with nothing to do need not parse again.
//!
//! A cache is taken only when everything it was made from is byte for byte the same: the files, the project, this
//! program's version and its schemas. It holds no specs: as soon as anything is to be done, the manifests are read in
//! full. It may be deleted at any time, and a damaged one is ignored.

use std::sync::Arc;

use crate::kinds::KINDS;
use crate::model::digest::DigestWriter;
use crate::model::{Digest, Entry, FileId, ResourceKey, SourceFile, SourceRef};

use super::catalog::{Catalog, Project};
use super::schema;

const MAGIC: &[u8] = b"synthex cache 1\n";
const DIGEST: usize = 32;

/// What a cache holds.
#[derive(Debug)]
pub struct Cached {
    /// Sorted by key, with empty specs.
    pub entries: Vec<Entry>,
    /// The files that tenant sets named, with the digests of their content.
    pub rows: Vec<(String, Digest)>,
}

/// Identifies what a catalog is made from, but for the files that tenant sets name.
#[must_use]
pub fn key(project: &Project, files: &[SourceFile]) -> Digest {
    key_of(project, files.iter())
}

/// [`key`], for the files of a catalog.
#[must_use]
pub fn key_of_shared(project: &Project, files: &[Arc<SourceFile>]) -> Digest {
    key_of(project, files.iter().map(AsRef::as_ref))
}

fn key_of<'a>(project: &Project, files: impl Iterator<Item = &'a SourceFile>) -> Digest {
    let mut writer = DigestWriter::default();
    writer.field(env!("CARGO_PKG_VERSION").as_bytes()).field(schema::fingerprint().as_bytes());
    writer.field(project.name.as_bytes()).field(format!("{:?}", project.spec).as_bytes());
    for file in files {
        let overlay = file.overlay.map_or(0, |number| u32::from(number) + 1);
        writer.field(file.path.as_bytes()).field(&overlay.to_le_bytes()).field(file.bytes());
    }
    writer.finish()
}

/// Writes a cache. `own` is how many of the catalog's files are manifests; those behind them are files of rows.
#[must_use]
pub fn encode(key: &Digest, catalog: &Catalog, own: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + catalog.entries.len() * 64);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(key.as_bytes());
    let rows = catalog.files.get(own..).unwrap_or_default();
    put_number(&mut out, rows.len());
    for file in rows {
        put_text(&mut out, &file.path);
        out.extend_from_slice(Digest::of(file.bytes()).as_bytes());
    }
    put_number(&mut out, catalog.entries.len());
    for entry in &catalog.entries {
        out.push(entry.key.kind.rank);
        out.push(u8::from(entry.protect));
        put_text(&mut out, &entry.key.workspace);
        put_text(&mut out, &entry.key.name);
        out.extend_from_slice(entry.digest.as_bytes());
    }
    let checksum = Digest::of(&out);
    out.extend_from_slice(checksum.as_bytes());
    out
}

/// Reads a cache that was made from the same things; `None` for any other, and for a damaged one.
#[must_use]
pub fn decode(bytes: &[u8], key: &Digest) -> Option<Cached> {
    let rest = bytes.strip_prefix(MAGIC)?.strip_prefix(key.as_bytes().as_slice())?;
    let (body, checksum) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
    if Digest::of(body).as_bytes().as_slice() != checksum {
        return None;
    }
    let mut reader = Reader(&rest[..rest.len().checked_sub(DIGEST)?]);
    let mut rows = Vec::new();
    for _ in 0..reader.number()? {
        rows.push((reader.text()?.to_owned(), reader.digest()?));
    }
    let count = reader.number()?;
    let mut entries = Vec::with_capacity(count.min(bytes.len() / DIGEST));
    let mut workspace: Arc<str> = "".into();
    for _ in 0..count {
        let kind = *KINDS.get(usize::from(reader.byte()?))?;
        let protect = reader.byte()? != 0;
        let name = reader.text()?;
        if *workspace != *name {
            workspace = name.into();
        }
        let key = ResourceKey::new(kind, Arc::clone(&workspace), reader.text()?);
        let source = SourceRef { file: FileId(0), start: 0, end: 0, row: None };
        entries.push(Entry { key, digest: reader.digest()?, canonical: "".into(), protect, source });
    }
    reader.0.is_empty().then_some(Cached { entries, rows })
}

fn put_number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(&(number as u64).to_le_bytes());
}

/// Names are at most 128 bytes and paths at most 4096, so two bytes of length do.
fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&text.as_bytes()[..usize::from(length)]);
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|bytes| bytes[0])
    }

    fn number(&mut self) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.take(8)?.try_into().ok()?)).ok()
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = u16::from_le_bytes(self.take(2)?.try_into().ok()?);
        std::str::from_utf8(self.take(usize::from(length))?).ok()
    }

    fn digest(&mut self) -> Option<Digest> {
        Digest::from_slice(self.take(DIGEST)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::project::ProjectSpec;

    fn catalog() -> Catalog {
        let project = Project { name: "p".into(), file: "synthex.yaml".into(), spec: ProjectSpec::default() };
        let file = Arc::new(SourceFile::new("a.yaml".into(), b"x".to_vec()));
        let rows = Arc::new(SourceFile::new("r.csv".into(), b"rows".to_vec()));
        let entry = |name: &str| Entry {
            key: ResourceKey::new(KINDS[4], "w".into(), name),
            digest: Digest::of(name.as_bytes()),
            canonical: "{}".into(),
            protect: name == "b",
            source: SourceRef { file: FileId(0), start: 0, end: 1, row: None },
        };
        Catalog {
            project,
            files: vec![file, rows],
            entries: vec![entry("a"), entry("b")],
            tests: Vec::new(),
            broken: Vec::new(),
            overlays: Default::default(),
        }
    }

    #[test]
    fn a_cache_comes_back_as_it_was_written_and_only_for_its_key() {
        let catalog = catalog();
        let key = Digest::of(b"key");
        let bytes = encode(&key, &catalog, 1);
        let cached = decode(&bytes, &key).unwrap();
        assert_eq!(cached.rows, [("r.csv".to_owned(), Digest::of(b"rows"))]);
        let seen: Vec<_> =
            cached.entries.iter().map(|entry| (entry.key.to_string(), entry.digest, entry.protect)).collect();
        let wanted: Vec<_> = catalog
            .entries
            .iter()
            .map(|entry| (entry.key.to_string(), entry.digest, entry.protect))
            .collect();
        assert_eq!(seen, wanted);
        assert!(decode(&bytes, &Digest::of(b"other")).is_none());
    }

    #[test]
    fn a_damaged_cache_is_ignored() {
        let key = Digest::of(b"key");
        let bytes = encode(&key, &catalog(), 1);
        for cut in 0..bytes.len() {
            assert!(decode(&bytes[..cut], &key).is_none(), "{cut}");
        }
        for index in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[index] ^= 1;
            assert!(decode(&damaged, &key).is_none(), "{index}");
        }
    }

    #[test]
    fn the_key_changes_with_any_file_and_any_path() {
        let project = catalog().project;
        let file = |path: &str, text: &str| SourceFile::new(path.into(), text.as_bytes().to_vec());
        let base = key(&project, &[file("a", "1"), file("b", "2")]);
        assert_ne!(base, key(&project, &[file("a", "1"), file("b", "3")]));
        assert_ne!(base, key(&project, &[file("a", "1"), file("c", "2")]));
        assert_ne!(base, key(&project, &[file("a", "1")]));
    }
}
