//! TLS in front of the server: what arrives here goes on, deciphered, to the plain port behind it.
//!
//! Invariant: nothing is added or held back on the way, so that a connection that breaks behind breaks in front.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, crypto};

use super::settings::Tls;

/// Serves on a thread of its own until `stop` is used or dropped.
pub(super) fn run_on_thread(
    listener: TcpListener,
    behind: SocketAddr,
    tls: &Tls,
    stop: oneshot::Receiver<()>,
) -> std::io::Result<()> {
    let acceptor = TlsAcceptor::from(Arc::new(config(tls)?));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::Builder::new().name("peoplesoft-tls".into()).spawn(move || {
        runtime.block_on(async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
                return;
            };
            let serve = async {
                loop {
                    let Ok((stream, _)) = listener.accept().await else {
                        continue;
                    };
                    tokio::spawn(connection(stream, behind, acceptor.clone()));
                }
            };
            tokio::select! {
                () = serve => {}
                _ = stop => {}
            }
        });
    })?;
    Ok(())
}

async fn connection(stream: TcpStream, behind: SocketAddr, acceptor: TlsAcceptor) {
    // A handshake that fails concerns nobody but its peer.
    let Ok(mut front) = acceptor.accept(stream).await else {
        return;
    };
    let Ok(mut plain) = TcpStream::connect(behind).await else {
        return;
    };
    let _low_delay = plain.set_nodelay(true).is_ok();
    let _clean = tokio::io::copy_bidirectional(&mut front, &mut plain).await.is_ok();
}

fn config(tls: &Tls) -> std::io::Result<ServerConfig> {
    let invalid = |why: &dyn std::fmt::Display| std::io::Error::new(std::io::ErrorKind::InvalidInput, why.to_string());
    let certificates = |pem: &str| {
        CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>().map_err(|e| invalid(&e))
    };
    let chain = certificates(&tls.certificates)?;
    let key = PrivateKeyDer::from_pem_slice(tls.key.as_bytes()).map_err(|e| invalid(&e))?;
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(|e| invalid(&e))?;
    let builder = match &tls.client_authorities {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            for authority in certificates(pem)? {
                roots.add(authority).map_err(|e| invalid(&e))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.map_err(|e| invalid(&e))?)
        }
    };
    builder.with_single_cert(chain, key).map_err(|e| invalid(&e))
}
