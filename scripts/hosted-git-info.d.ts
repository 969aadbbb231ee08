/** The part of hosted-git-info that is used; @types/hosted-git-info is behind it. */
declare module 'hosted-git-info' {
  interface Site {
    /** Returns the address of the page of a file. */
    browseFile(path: string, options: { readonly committish: string }): string;
    /** Returns the address of the bytes of a file. */
    file(path: string, options: { readonly committish: string }): string;
  }
  const hostedGitInfo: { fromUrl(repository: string): Site | undefined };
  export default hostedGitInfo;
}
