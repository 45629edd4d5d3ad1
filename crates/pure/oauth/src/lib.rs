//! OAuth 2.1 and OpenID Connect: the words and the rules of the authorization server, without IO.
