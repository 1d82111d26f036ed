//! How AWS is called: by the HTTP client and the TLS that everything else here is called by.
//!
//! The SDK would bring a client of its own with HTTP/2, which none of the services used here needs, and a second library of
//! cryptography: a quarter of a function's size. Retries, time-outs of a call and signatures stay the SDK's.

use std::sync::Arc;

use aws_sdk_dynamodb::config::{RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use rustls::{ClientConfig, RootCertStore};

use crate::CONNECT_TIMEOUT;

/// One client for all services, over the proxy that the environment names, trusting the certificates that the system
/// trusts. Clones share its connections.
///
/// Of the SDK's settings for connections only the time-out for connecting is kept, as [`crate::configuration`] has it.
///
/// # Errors
/// Every call fails with the reason when the client cannot be built.
pub fn https() -> SharedHttpClient {
    let connector = match client() {
        Ok(client) => SharedHttpConnector::new(Calls { client }),
        Err(reason) => SharedHttpConnector::new(Unable { reason }),
    };
    SharedHttpClient::new(One { connector })
}

fn client() -> Result<reqwest::Client, String> {
    let mut trusted = RootCertStore::empty();
    // What cannot be read is left out: a call then fails with the certificate that is not trusted.
    trusted.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(trusted)
        .with_no_client_auth();
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
        .map_err(|e| e.to_string())
}

#[derive(Debug)]
struct One {
    connector: SharedHttpConnector,
}

impl HttpClient for One {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        self.connector.clone()
    }
}

#[derive(Debug)]
struct Calls {
    client: reqwest::Client,
}

impl HttpConnector for Calls {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.client.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
            let request = reqwest::Request::try_from(request.map(reqwest::Body::wrap)).map_err(failed)?;
            let answer = http::Response::<reqwest::Body>::from(client.execute(request).await.map_err(failed)?);
            HttpResponse::try_from(answer.map(SdkBody::from_body_1_x))
                .map_err(|e| ConnectorError::other(e.into(), None))
        })
    }
}

/// What did not go through is tried again, except a request that is none.
fn failed(error: reqwest::Error) -> ConnectorError {
    if error.is_timeout() {
        return ConnectorError::timeout(error.into());
    }
    if error.is_builder() {
        return ConnectorError::user(error.into());
    }
    ConnectorError::io(error.into())
}

/// There is no client.
#[derive(Debug)]
struct Unable {
    reason: String,
}

impl HttpConnector for Unable {
    fn call(&self, _: HttpRequest) -> HttpConnectorFuture {
        let reason = format!("no HTTP client can be built: {}", self.reason);
        HttpConnectorFuture::ready(Err(ConnectorError::user(reason.into())))
    }
}
