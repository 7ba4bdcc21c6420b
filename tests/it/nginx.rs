//! A real nginx with the configuration in `packaging/`, in front of servers of a test.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::{Raw, TempDir, TestServer, until};

/// Demands nginx where it would otherwise be done without.
const REQUIRED: &str = "PARLOR_NGINX_TESTS";

pub struct Nginx {
    child: Child,
    port: u16,
    dir: TempDir,
}

impl Nginx {
    /// Starts nginx in front of the servers, after `change` has had its way with the configuration; says why not
    /// where there is none.
    pub fn start(servers: &[&TestServer], change: impl FnOnce(String) -> String) -> Option<Nginx> {
        if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
            assert_ne!(std::env::var(REQUIRED).as_deref(), Ok("required"), "nginx is not here");
            eprintln!("ignored: nginx is not here");
            return None;
        }
        let dir = TempDir::new();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let packaged = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/nginx.conf");
        let mut site = fs::read_to_string(packaged).expect("the configuration is in the repository");
        let upstream: String = servers.iter().map(|server| format!("server {};", server.address())).collect();
        replace(&mut site, "server 127.0.0.1:8000;", &upstream);
        replace(&mut site, "listen 80;", &format!("listen 127.0.0.1:{port};"));
        let site = change(site);
        // One process that stays what it is: no daemon, no other user.
        let configuration = format!(
            "daemon off; master_process off; pid nginx.pid; error_log stderr;
             events {{ worker_connections 512; }}
             http {{
                 access_log off;
                 client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
                 uwsgi_temp_path uwsgi; scgi_temp_path scgi;
                 {site}
             }}"
        );
        fs::write(dir.join("nginx.conf"), configuration).unwrap();
        let child = Command::new("nginx")
            .args(["-c", "nginx.conf", "-e", "stderr", "-p"])
            .arg(&*dir)
            .stderr(File::create(dir.join("stderr")).unwrap())
            .spawn()
            .expect("nginx starts");
        let nginx = Nginx { child, port, dir };
        until("nginx to listen", || Raw::try_connect(([127, 0, 0, 1], port).into()).ok());
        Some(nginx)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("nginx said:\n{}", fs::read_to_string(self.dir.join("stderr")).unwrap_or_default());
        }
    }
}

/// Replaces what has to be there.
pub fn replace(text: &mut String, what: &str, with: &str) {
    assert!(text.contains(what), "no {what:?} in the configuration");
    *text = text.replacen(what, with, 1);
}
