//! Certificates of a test's own authority, made with `openssl`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tempfile::TempDir;

/// An authority.
pub struct Authority {
    folder: TempDir,
}

impl Authority {
    pub fn new() -> Authority {
        let folder = TempDir::with_prefix("synthex-tls-").expect("a folder");
        let authority = Authority { folder };
        authority.openssl("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=test-authority -keyout ca.key -out ca.pem -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign");
        authority
    }

    /// The file with the authority's certificate.
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A server with a certificate for these names: `DNS:localhost,IP:127.0.0.1`.
    pub fn server(&self, names: &str) -> Arc<ServerConfig> {
        self.server_for(names, "-days 2")
    }

    /// The same, with a certificate that is over.
    pub fn expired(&self, names: &str) -> Arc<ServerConfig> {
        self.server_for(names, "-days -1")
    }

    fn server_for(&self, names: &str, life: &str) -> Arc<ServerConfig> {
        std::fs::write(
            self.folder.path().join("ext"),
            format!("subjectAltName={names}\nbasicConstraints=CA:FALSE\n"),
        )
        .expect("a file");
        self.openssl("req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server -keyout s.key -out s.csr");
        self.openssl(&format!(
            "x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial {life} -extfile ext -out s.pem"
        ));
        let read = |name: &str| std::fs::read(self.folder.path().join(name)).expect("what openssl wrote");
        let certificate = CertificateDer::from_pem_slice(&read("s.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(&read("s.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a server");
        Arc::new(config)
    }

    fn openssl(&self, words: &str) {
        let folder: &Path = self.folder.path();
        let output = Command::new("openssl").args(words.split(' ')).current_dir(folder).output();
        let output = output.expect("openssl is needed: install it (apt-get install openssl)");
        assert!(output.status.success(), "openssl {words}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
