//! The program on its own terminal, and somebody who types on it.

use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use tokio::time::{Instant, sleep};

/// Timeout for anything that is expected to happen. Generous, because the machine may be busy.
const SOON: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(20);

pub struct Terminal {
    master: Box<dyn MasterPty + Send>,
    keyboard: Mutex<Box<dyn Write + Send>>,
    child: Mutex<Box<dyn Child + Send + Sync>>,
    screen: Arc<Mutex<Vec<u8>>>,
    /// How much of the output has been waited for.
    seen: Mutex<usize>,
}

impl Terminal {
    /// Starts the program with only the variables that it needs.
    pub fn open(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: 40, cols: 120, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_signl4-rocketchat"));
        command.cwd(directory);
        command.args(arguments);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SIGNL4_BOT_")) {
            command.env_remove(name);
        }
        command.env_remove("RUST_LOG");
        for (name, value) in [("NO_PROXY", "127.0.0.1"), ("NO_COLOR", "1")].iter().chain(variables) {
            command.env(name, value);
        }
        let child = pair.slave.spawn_command(command).unwrap();
        let screen = Arc::new(Mutex::new(Vec::new()));
        let mut reader = pair.master.try_clone_reader().unwrap();
        let shown = Arc::clone(&screen);
        thread::spawn(move || {
            let mut buffer = [0; 4096];
            // On Linux, reading from a pseudo-terminal whose other end is closed fails.
            while let Ok(count @ 1..) = reader.read(&mut buffer) {
                shown.lock().unwrap().extend_from_slice(&buffer[..count]);
            }
        });
        let keyboard = Mutex::new(pair.master.take_writer().unwrap());
        Self { master: pair.master, keyboard, child: Mutex::new(child), screen, seen: Mutex::new(0) }
    }

    /// Everything that was shown.
    pub fn shown(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).replace("\r\n", "\n")
    }

    /// Waits until a text is shown that was not waited for yet.
    pub async fn wait_for(&self, text: &str) {
        let deadline = Instant::now() + SOON;
        loop {
            let shown = self.shown();
            let from = *self.seen.lock().unwrap();
            if let Some(at) = shown[from..].find(text) {
                *self.seen.lock().unwrap() = from + at + text.len();
                return;
            }
            assert!(Instant::now() < deadline, "never shown: {text}\nbut\n{shown}");
            sleep(LOOK).await;
        }
    }

    /// Types an answer to a question, once the terminal is in the mode for it.
    pub async fn answer(&self, question: &str, answer: &str) {
        self.wait_for(question).await;
        let shows = !question.contains("(not shown)");
        let deadline = Instant::now() + SOON;
        while self.echoes() != shows {
            assert!(Instant::now() < deadline, "{question}: echo is {}", !shows);
            sleep(LOOK).await;
        }
        let mut keyboard = self.keyboard.lock().unwrap();
        writeln!(keyboard, "{answer}").unwrap();
        keyboard.flush().unwrap();
    }

    /// Whether typed characters are shown.
    fn echoes(&self) -> bool {
        let flags = format!("{:?}", self.master.get_termios().unwrap().local_flags);
        flags.split(|c: char| !c.is_alphanumeric()).any(|flag| flag == "ECHO")
    }

    /// Waits for the program's end, and returns its exit code.
    pub async fn end(&self) -> u32 {
        let deadline = Instant::now() + SOON;
        loop {
            let ended = self.child.lock().unwrap().try_wait().unwrap();
            if let Some(status) = ended {
                // Its last output may not have arrived yet.
                self.settle().await;
                return status.exit_code();
            }
            assert!(Instant::now() < deadline, "does not end:\n{}", self.shown());
            sleep(LOOK).await;
        }
    }

    /// Waits until the reader has released the screen, whose only other owner ends with the terminal.
    async fn settle(&self) {
        let deadline = Instant::now() + SOON;
        while Arc::strong_count(&self.screen) > 1 && Instant::now() < deadline {
            sleep(LOOK).await;
        }
    }

    /// Ctrl+C.
    pub fn interrupt(&self) {
        let mut keyboard = self.keyboard.lock().unwrap();
        keyboard.write_all(b"\x03").unwrap();
        keyboard.flush().unwrap();
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.lock().unwrap().kill();
    }
}
