//! A simulated Rocket.Chat, a simulated SIGNL4 and their web page. Shares no code with the bot.

pub mod rocketchat;

pub mod signl4;
