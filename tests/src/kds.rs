//! A stand-in for AMD's key distribution service, on loopback, that writes down what it is asked.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

/// What it answers.
#[derive(Clone, Debug)]
pub enum Answers {
    /// With this certificate for every chip.
    Certificate(Vec<u8>),
    /// With this status and nothing else, such as `404 Not Found`.
    Status(&'static str),
    /// Not at all.
    Never,
}

/// The service; its threads end with it.
pub struct Kds {
    address: SocketAddr,
    answers: Arc<Mutex<Answers>>,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Kds {
    /// Starts one.
    pub fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (answers, asked) = (Arc::new(Mutex::new(answers)), Arc::new(Mutex::new(Vec::new())));
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let (answers, asked, stop) = (Arc::clone(&answers), Arc::clone(&asked), Arc::clone(&stop));
            move || {
                for stream in listener.incoming().flatten() {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let (answers, asked) = (Arc::clone(&answers), Arc::clone(&asked));
                    std::thread::spawn(move || serve(stream, &answers, &asked));
                }
            }
        });
        Self { address, answers, asked, stop, thread: Some(thread) }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http://{}/mirror", self.address)
    }

    /// What it answers from now on.
    pub fn answer(&self, answers: Answers) {
        *lock(&self.answers) = answers;
    }

    /// The targets that were asked for.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.asked).clone()
    }
}

impl Drop for Kds {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accept.
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(mut stream: TcpStream, answers: &Mutex<Answers>, asked: &Mutex<Vec<String>>) {
    drop(stream.set_read_timeout(Some(Duration::from_secs(30))));
    let (mut request, mut chunk) = (Vec::new(), [0; 1024]);
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read(&mut chunk) {
            Ok(length) if length > 0 => request.extend_from_slice(&chunk[..length]),
            _ => return,
        }
    }
    let target = String::from_utf8_lossy(&request).split(' ').nth(1).unwrap_or_default().to_owned();
    lock(asked).push(target);
    // Long enough for others to ask meanwhile.
    std::thread::sleep(Duration::from_millis(200));
    let answers = lock(answers).clone();
    let (status, body) = match &answers {
        Answers::Certificate(der) => ("200 OK", der.as_slice()),
        Answers::Status(status) => (*status, &[][..]),
        Answers::Never => {
            // Until the other end has enough.
            drop(stream.read(&mut chunk));
            return;
        }
    };
    let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len());
    drop(stream.write_all(&[head.as_bytes(), body].concat()));
}
